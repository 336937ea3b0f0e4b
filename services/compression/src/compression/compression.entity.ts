import { safeInteger } from '@touchstone/persistence';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A picture that went through an encoder; its tokens are a blob of the tenant until `expiresAt`. */
@Entity({ schema: 'compression', name: 'encoding' })
export class Encoding {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  /** encodingId of identity.ts. */
  @PrimaryColumn('text') readonly id!: string;
  /** In hexadecimal. */
  @Column('text') readonly pictureSha256!: string;
  @Column('text') readonly encoder!: string;
  @Column('text') readonly encoderVersion!: string;
  /** −1 the last. */
  @Column('integer') readonly selectLayer!: number;
  @Column('double precision') readonly momentum!: number;
  @Column('integer') readonly rows!: number;
  @Column('integer') readonly columns!: number;
  @Column('integer') readonly width!: number;
  /** All tokens, and what methods choose by: token-files.ts. */
  @Column('text') readonly blobId!: string;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
  @Column('timestamptz') readonly expiresAt!: Date;
}

/** Tokens of an encoded picture that a method kept. */
@Entity({ schema: 'compression', name: 'compression' })
export class Compression {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  /** compressionId of identity.ts. */
  @PrimaryColumn('text') readonly id!: string;
  @Column('text') readonly encodingId!: string;
  @Column('text') readonly method!: string;
  /** 0 unless the method is by chance. */
  @Column({ type: 'bigint', transformer: safeInteger }) readonly seed!: number;
  /** Ascending. */
  @Column('integer', { array: true }) readonly indices!: number[];
  /** float32, little endian, one for each token of the picture. */
  @Column('bytea') readonly scores!: Buffer;
  /** The kept tokens. */
  @Column('text') readonly blobId!: string;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
  @Column('timestamptz') readonly expiresAt!: Date;
}
