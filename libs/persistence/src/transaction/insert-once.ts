import type { EntityManager, ObjectLiteral } from 'typeorm';

/**
 * Inserts an entity unless a row with its key exists (`on conflict do nothing`), waiting for a concurrent writer of
 * that key. Needs no SELECT privilege, so columns that PostgreSQL generates stay unset in `entity`.
 *
 * @returns whether the row is new.
 */
export async function insertOnce<Entity extends ObjectLiteral>(transaction: EntityManager, entity: Entity): Promise<boolean> {
  const { queryRunner } = transaction;
  if (!queryRunner?.isTransactionActive) throw new Error('insertOnce: needs an open transaction.');
  const [sql, parameters] = transaction
    .createQueryBuilder()
    .insert()
    .into(entity.constructor)
    .values(entity)
    .orIgnore()
    .updateEntity(false)
    .getQueryAndParameters();
  const { affected } = await queryRunner.query(sql, parameters, true);
  return affected === 1;
}
