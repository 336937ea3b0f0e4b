import { logicalModelsContract } from './logical-models.contract.ts';
import { modelServer } from './tested-servers.ts';

logicalModelsContract(modelServer);
