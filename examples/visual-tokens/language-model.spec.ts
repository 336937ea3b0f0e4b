import { languageModelContract } from './language-model.contract.ts';
import { startModelServer } from './model-server.ts';

languageModelContract({ name: 'model-server', start: startModelServer });
