import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type Budget as BudgetMessage,
  type CompressBatchRequest,
  type CompressBatchResponseSchema,
  CompressionService,
  type CompressionSchema,
  type CompressRequest,
  type ExpandCompressionRequest,
  type ExplainRequest,
  type ExplanationSchema,
  type GetCompressionRequest,
  type ListMethodsRequest,
  type ListMethodsResponseSchema,
} from '@touchstone/contracts/gen/touchstone/compression/v1/compression_pb';
import { languageModels } from '../cost/language-models.ts';
import { Explanations } from '../explain/explanations.service.ts';
import { methods } from '../method/methods.ts';
import type { Budget } from './budget.ts';
import { toMessage } from './compression-message.ts';
import { Compressions } from './compressions.service.ts';
import { Offer } from './offer.service.ts';

@GrpcController(CompressionService)
export class CompressionController implements Implementation<typeof CompressionService> {
  constructor(
    private readonly compressions: Compressions,
    private readonly explanations: Explanations,
    private readonly offer: Offer,
  ) {}

  async compress({ picture, budget, languageModels, ...request }: CompressRequest, call: Call): Promise<Result<typeof CompressionSchema>> {
    const costsOf = this.offer.languageModels(languageModels);
    const [made] = await this.compressions.compress([{ image: picture!, pointer: '/picture' }], { ...request, budget: toBudget(budget) }, call);
    return toMessage(made, costsOf);
  }

  async compressBatch({ pictures, budget, languageModels, ...request }: CompressBatchRequest, call: Call): Promise<Result<typeof CompressBatchResponseSchema>> {
    const costsOf = this.offer.languageModels(languageModels);
    const inputs = pictures.map((image, index) => ({ image, pointer: `/pictures/${index}` }));
    const made = await this.compressions.compress(inputs, { ...request, budget: toBudget(budget) }, call);
    return { compressions: made.map((each) => toMessage(each, costsOf)) };
  }

  async getCompression({ id }: GetCompressionRequest, call: Call): Promise<Result<typeof CompressionSchema>> {
    return toMessage({ ...(await this.compressions.get(id, call)), isCached: true, comparisons: [] }, languageModels);
  }

  async expandCompression({ id, budget, languageModels, ...request }: ExpandCompressionRequest, call: Call): Promise<Result<typeof CompressionSchema>> {
    const costsOf = this.offer.languageModels(languageModels);
    return toMessage(await this.compressions.expand(id, { ...request, budget: toBudget(budget) }, call), costsOf);
  }

  async explain({ picture, budget, ...request }: ExplainRequest, call: Call): Promise<Result<typeof ExplanationSchema>> {
    const explained = await this.explanations.explain({ image: picture!, pointer: '/picture' }, { ...request, budget: toBudget(budget), compareWith: [] }, call);
    return { ...explained, expiresAt: timestampFromDate(explained.expiresAt) };
  }

  async listMethods(_: ListMethodsRequest, { signal }: Call): Promise<Result<typeof ListMethodsResponseSchema>> {
    const encoders = await this.offer.all(signal);
    return {
      methods: methods.map(({ name, description, source, parameters }) => ({ name, description, source, parameters })),
      encoders: encoders.map(({ encoder: { name, version, grid, width, layers }, readiness, methods: offered }) => ({
        name,
        version,
        isReady: readiness?.isReady ?? false,
        reason: readiness?.reason ?? '',
        grid,
        width,
        layers,
        methods: offered.map((method) => method.name),
      })),
      languageModels: languageModels.map(({ cacheBytes: _bytes, ...model }) => model),
    };
  }
}

/** The contract demands one of them. */
function toBudget(budget: BudgetMessage | undefined): Budget {
  const { size } = budget!;
  if (size.case === 'tokens') return { tokens: size.value };
  if (size.case === 'ratio') return { ratio: size.value };
  throw new TypeError('A budget has no size');
}
