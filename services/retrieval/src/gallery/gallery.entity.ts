import { safeInteger } from '@touchstone/persistence';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { Threshold } from './threshold.ts';

/** A set of reference items with a policy; the items are those of an ordinary collection. */
@Entity({ schema: 'retrieval', name: 'gallery' })
export class Gallery {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly name!: string;
  @Column('text') readonly policy!: string;
  /** The collection of the references. */
  @Column('text') readonly referenceCollection!: string;
  @Column('jsonb') readonly thresholds!: readonly Threshold[];
  /** Grows with each change; what was matched under an older one is matched again. */
  @Column({ type: 'integer', default: 1 }) readonly revision!: number;
  /** Of the newest match. Its row lock makes commit order the order of matches. */
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly sequence!: number;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
}

/** A collection whose items are matched, and how far in its log they have been. */
@Entity({ schema: 'retrieval', name: 'gallery_watch' })
export class GalleryWatch {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly gallery!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly position!: number;
}

/** An item that is similar enough to a reference. */
@Entity({ schema: 'retrieval', name: 'gallery_match' })
export class GalleryMatch {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly gallery!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @PrimaryColumn('text') readonly referenceId!: string;
  @Column('text') readonly category!: string;
  @Column('double precision') readonly score!: number;
  @Column('double precision') readonly threshold!: number;
  @Column('text') readonly space!: string;
  @Column('text') readonly kind!: string;
  @Column('integer') readonly part!: number;
  /** Of the item's write in the log of its collection. */
  @Column({ type: 'bigint', transformer: safeInteger }) readonly position!: number;
  /** Among the matches of the gallery; a match that stays keeps it. */
  @Column({ type: 'bigint', transformer: safeInteger }) readonly sequence!: number;
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly matchedAt!: Date;
}
