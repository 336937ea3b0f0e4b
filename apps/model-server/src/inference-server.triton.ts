import { inferenceServerContract } from './inference-server.contract.ts';
import { triton } from './tested-servers.ts';

inferenceServerContract(triton);
