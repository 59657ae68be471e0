import { NestFactory } from '@nestjs/core';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  const expressApp = app.getHttpServer();
  expressApp.timeout = 30000;
  expressApp.keepAliveTimeout = 65000;
  expressApp.headersTimeout = 35000;
  await app.listen(process.env.PORT || 5000);
}
bootstrap();
