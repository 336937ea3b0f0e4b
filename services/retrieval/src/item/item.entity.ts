import type { JsonObject } from '@bufbuild/protobuf';
import { safeInteger } from '@touchstone/persistence';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A thing to be found, within its tenant and collection. */
@Entity({ schema: 'retrieval', name: 'item' })
export class Item {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly id!: string;
  @Column('text', { default: '' }) readonly title!: string;
  @Column('text', { default: '' }) readonly body!: string;
  @Column('text', { default: '' }) readonly category!: string;
  @Column('text', { default: '' }) readonly author!: string;
  /** Of its content. */
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly createdAt!: Date;
  @Column('jsonb', { default: {} }) readonly attributes!: JsonObject;
  /** Hash of everything the caller gave; an equal write changes nothing. */
  @Column('text') readonly contentHash!: string;
  /** Position of the write in the collection's log. */
  @Column({ type: 'bigint', transformer: safeInteger }) readonly position!: number;
  /** Id of the item that this one is a duplicate of. */
  @Column('text', { nullable: true }) readonly keeper!: string | null;
  /** When it was first written. */
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly storedAt!: Date;
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly updatedAt!: Date;
}

/** The vector of one part of an item in one version of a space's model. */
@Entity({ schema: 'retrieval', name: 'item_vector' })
export class ItemVector {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @PrimaryColumn('text') readonly space!: string;
  @PrimaryColumn('text') readonly modelVersion!: string;
  /** A set: kind-set.ts. */
  @PrimaryColumn('smallint') readonly kinds!: number;
  /** Which of the item's pictures, or 0. */
  @PrimaryColumn('integer') readonly part!: number;
  /** SHA-256 of what was embedded, or of the vector that the caller brought. */
  @Column('bytea') readonly contentHash!: Buffer;
  /** Whether the caller brought the vector. */
  @Column('boolean', { default: false }) readonly isOwn!: boolean;
  /** float32, little endian, length 1. */
  @Column('bytea') readonly vector!: Buffer;
}

/** A picture of an item; its file is kept in `picture`. */
@Entity({ schema: 'retrieval', name: 'item_image' })
export class ItemImage {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @PrimaryColumn('integer') readonly part!: number;
  @Column('text') readonly sha256!: string;
  @Column('integer') readonly bytes!: number;
  /** The text in it, as the caller gave it. */
  @Column('text', { default: '' }) readonly ocrText!: string;
}

/** The file of a picture, once for all items of the tenant that show it. */
@Entity({ schema: 'retrieval', name: 'picture' })
export class PictureFile {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  /** In hexadecimal. */
  @PrimaryColumn('text') readonly sha256!: string;
  @Column('bytea') readonly file!: Buffer;
}

/** A deleted item, for replicas that have it still. Nothing of its content is kept. */
@Entity({ schema: 'retrieval', name: 'item_tombstone' })
export class ItemTombstone {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @Column({ type: 'bigint', transformer: safeInteger }) readonly position!: number;
}
