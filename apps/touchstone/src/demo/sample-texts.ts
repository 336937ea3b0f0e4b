import texts from './texts.json' with { type: 'json' };

/** A short text of the sample collection. */
export interface SampleText {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly attributes: {
    readonly kind: 'text';
    readonly topic: string;
    /** Id of the text that says the same in other words; that one names this one. */
    readonly pairOf?: string;
  };
}

/** A few hundred texts of a magazine about everyday things, written for this collection, some of them twice in other words. */
export const sampleTexts = texts as readonly SampleText[];

/** The texts that say the same in other words: each is the pair of the other. */
export const nearDuplicates = sampleTexts.filter(({ attributes }) => attributes.pairOf !== undefined);
