import { transportContract } from './transport.contract.ts';

transportContract('LocalTransport', async () => ({}));
