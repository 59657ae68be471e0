import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

const bootstrap = async () => {
  const app = await NestFactory.create(AppModule, { cors: true, rawBody: true });
  app.useGlobalPipes();
  await app.listen(app.get(EnvironmentService).getPort());
};

bootstrap();
