export { type RunningService, type ServiceOptions, type ServiceSurroundings, startService } from './start-service.ts';
