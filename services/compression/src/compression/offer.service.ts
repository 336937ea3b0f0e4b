import { Inject, Injectable } from '@nestjs/common';
import type { ModelReadiness, Models, VisionEncoder } from '@touchstone/models';
import { type NamedLanguageModel, languageModels } from '../cost/language-models.ts';
import { type Method, methods } from '../method/methods.ts';
import { noAttention, noHiddenStates, unknownName } from './compression.errors.ts';

/** Token of the models (`EncodingModels`). */
export const MODELS = Symbol('models');

/** What is asked of the models. */
export type EncodingModels = Pick<Models, 'texts' | 'images' | 'encoder' | 'drawHeatMap' | 'ready'>;

export const defaultMethod = 'evocut';

/** An encoder, whether it answers, and what it allows. */
export interface OfferedEncoder {
  readonly encoder: VisionEncoder;
  readonly readiness: ModelReadiness | undefined;
  readonly methods: readonly Method[];
}

/** What requests may name. */
@Injectable()
export class Offer {
  constructor(@Inject(MODELS) private readonly models: EncodingModels) {}

  /** @param name empty for the first. @throws Problem invalid-request, encoder-unsuitable */
  encoder(name: string): VisionEncoder {
    const encoders = this.encoders();
    const found = encoders.find((encoder) => name === '' || encoder.name === name);
    if (found) return found;
    const names = encoders.map((encoder) => encoder.name);
    if ([...this.models.texts, ...this.models.images].some((model) => model.name === name)) throw noHiddenStates(name, names);
    throw unknownName('/encoder', 'encoder', name, names);
  }

  /** @param hasAttention of the encoder, or of tokens that it made. @throws Problem invalid-request, encoder-unsuitable */
  method(name: string, pointer: string, { hasAttention, encoder }: { hasAttention: boolean; encoder: string }): Method {
    const found = methods.find((method) => method.name === (name || defaultMethod));
    if (!found) throw unknownName(pointer, 'method', name, methods.map((method) => method.name));
    if (found.needsAttention && !hasAttention) throw noAttention(pointer, found.name, encoder);
    return found;
  }

  /** @param names empty for all. @throws Problem invalid-request */
  languageModels(names: readonly string[]): readonly NamedLanguageModel[] {
    if (names.length === 0) return languageModels;
    return names.map((name, index) => {
      const found = languageModels.find((model) => model.name === name);
      if (!found) throw unknownName(`/languageModels/${index}`, 'language model', name, languageModels.map((model) => model.name));
      return found;
    });
  }

  async all(signal: AbortSignal): Promise<OfferedEncoder[]> {
    const readiness = await this.models.ready({ signal });
    return this.encoders().map((encoder) => ({
      encoder,
      readiness: readiness.find(({ name }) => name === encoder.name),
      methods: methods.filter(({ needsAttention }) => !needsAttention || hasAttention(encoder)),
    }));
  }

  private encoders(): VisionEncoder[] {
    return this.models.encoder ? [this.models.encoder] : [];
  }
}

export const hasAttention = ({ outputs }: VisionEncoder) => outputs.includes('classAttention') && outputs.includes('attentionKeys');
