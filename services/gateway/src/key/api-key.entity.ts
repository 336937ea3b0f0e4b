import { safeInteger } from '@touchstone/persistence';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** Who owns keys and data. */
@Entity({ schema: 'gateway', name: 'tenant' })
export class TenantRow {
  @PrimaryColumn('uuid') readonly id!: string;
  @Column('text', { unique: true }) readonly name!: string;
  /** Null for the default. */
  @Column('integer', { nullable: true }) readonly requestsPerMinute!: number | null;
  /** Bytes of blobs that it may store; null for the default. */
  @Column('bigint', { nullable: true, transformer: safeInteger }) readonly blobBytes!: number | null;
  /** Items that it may store in all its collections; null for the default. */
  @Column('integer', { nullable: true }) readonly items!: number | null;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
}

/** A key to the API. The secret is not here, only its hash. */
@Entity({ schema: 'gateway', name: 'api_key' })
export class ApiKeyRow {
  @PrimaryColumn('text') readonly id!: string;
  @Column('uuid') readonly tenantId!: string;
  @Column('bytea') readonly secretHash!: Buffer;
  /** Of the secret before the last rotation, good until `oldSecretUntil`. */
  @Column('bytea', { nullable: true }) readonly oldSecretHash!: Buffer | null;
  @Column('timestamptz', { nullable: true }) readonly oldSecretUntil!: Date | null;
  @Column('text', { array: true }) readonly scopes!: string[];
  @Column('text') readonly name!: string;
  /** Null when only its tenant's limit holds. */
  @Column('integer', { nullable: true }) readonly requestsPerMinute!: number | null;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
  @Column('timestamptz', { nullable: true }) readonly expiresAt!: Date | null;
  @Column('timestamptz', { nullable: true }) readonly revokedAt!: Date | null;
  @Column('timestamptz', { nullable: true }) readonly lastUsedAt!: Date | null;
}
