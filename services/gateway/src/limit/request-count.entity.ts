import { safeInteger } from '@touchstone/persistence';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What gateways have taken of a tenant's requests of a minute. */
@Entity({ schema: 'gateway', name: 'request_count' })
export class RequestCountRow {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @Column('timestamptz') readonly minute!: Date;
  @Column('bigint', { transformer: safeInteger }) readonly taken!: number;
}
