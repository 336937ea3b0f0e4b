import { safeInteger } from '@touchstone/persistence';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An administrative act. Added in the act's own transaction and never altered. */
@Entity({ schema: 'gateway', name: 'audit' })
export class AuditRow {
  @PrimaryColumn('bigint', { generated: 'identity', generatedIdentity: 'ALWAYS', transformer: safeInteger }) readonly id!: number;
  @Column('timestamptz', { default: () => 'now()' }) readonly at!: Date;
  /** Null for an operator's own command. */
  @Column('text', { nullable: true }) readonly keyId!: string | null;
  @Column('uuid', { nullable: true }) readonly tenantId!: string | null;
  @Column('text') readonly action!: string;
  @Column('text') readonly target!: string;
  @Column('text', { nullable: true }) readonly requestId!: string | null;
}
