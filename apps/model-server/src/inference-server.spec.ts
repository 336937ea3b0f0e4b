import { inferenceServerContract } from './inference-server.contract.ts';
import { modelServer } from './tested-servers.ts';

inferenceServerContract(modelServer);
