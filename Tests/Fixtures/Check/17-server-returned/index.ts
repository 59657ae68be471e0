import express, { Express } from 'express'
import http from 'http'

const loadExpressApp = async (connection: Connection) => {
  let app = express()
  // Trust the load balancer that is in front of the server
  app.set('trust proxy', true)
  app.use('/api', ApiRouter)
  const server = http.createServer(app)
  return server
}

export default loadExpressApp
