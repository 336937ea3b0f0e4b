import { Column, Entity, PrimaryColumn } from 'typeorm';

export type DuplicateState = 'open' | 'merged' | 'dismissed';

/** A piece of what two items have in common; `parts` are those of the item whose id comes first and of the other one. */
export type Evidence =
  | { readonly of: 'content' }
  | {
      readonly of: 'picture';
      readonly parts: readonly [number, number];
      readonly isSameFile: boolean;
      /** Bits of 256; absent when a hash says nothing. */
      readonly distance?: number;
      readonly quality: number;
    }
  | {
      readonly of: 'vector';
      readonly parts: readonly [number, number];
      readonly space: string;
      readonly kind: string;
      readonly cosine: number;
      readonly normalisedScore?: number;
    };

/** Two items that are duplicates of each other: the older one is the keeper. */
@Entity({ schema: 'retrieval', name: 'duplicate' })
export class Duplicate {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  /** Of the ids of both items. */
  @PrimaryColumn('text') readonly id!: string;
  @Column('text') readonly keeper!: string;
  @Column('text') readonly duplicate!: string;
  @Column('text', { default: 'open' }) readonly state!: DuplicateState;
  /** Orders pairs: `strengthOf` in evidence.ts. */
  @Column('double precision') readonly strength!: number;
  @Column('jsonb') readonly evidence!: readonly Evidence[];
  /** Of the scan that found it last. */
  @Column('text') readonly operationId!: string;
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly foundAt!: Date;
  /** Absent while it is open. */
  @Column({ type: 'timestamptz', nullable: true }) readonly decidedAt!: Date | null;
}
