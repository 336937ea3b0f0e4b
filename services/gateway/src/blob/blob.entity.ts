import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import { safeInteger } from '@touchstone/persistence';

/** Bytes of a tenant, named by their SHA-256. Never altered. */
@Entity({ schema: 'gateway', name: 'blob' })
export class BlobRow {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly id!: string;
  @Column('bigint', { transformer: safeInteger }) readonly bytes!: number;
  @Column('text') readonly mediaType!: string;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
  /** When it is nobody's any more; null for one that stays until it is deleted. */
  @Column('timestamptz', { nullable: true }) readonly expiresAt!: Date | null;
}

/** Bytes that come in several requests, each kept as a file of its own until the last one is there. */
@Entity({ schema: 'gateway', name: 'upload' })
export class UploadRow {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly id!: string;
  /** What it will have. */
  @Column('bigint', { transformer: safeInteger }) readonly bytes!: number;
  @Column('text') readonly mediaType!: string;
  /** What the client announced. */
  @Column('text', { nullable: true }) readonly sha256!: string | null;
  /** Names of files, in order. */
  @Column('text', { array: true, default: () => "'{}'" }) readonly parts!: string[];
  /** Bytes in these files. */
  @Column('bigint', { default: 0, transformer: safeInteger }) readonly received!: number;
  @Column('text', { nullable: true }) readonly blobId!: string | null;
  @Column('timestamptz') readonly expiresAt!: Date;
}
