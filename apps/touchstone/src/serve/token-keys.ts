import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '@touchstone/runtime/config';
import { generateTokenKeys, type TokenKeys } from '@touchstone/runtime/tenant';
import type { Configuration } from '../configuration.ts';

/**
 * The Ed25519 keys by which services know their callers. Services in one process make their own once; several
 * processes share them as PEM files (`openssl genpkey -algorithm ed25519`).
 *
 * @param needs which halves this process uses.
 */
export async function tokenKeys(
  { tokenPrivateKeyFile, tokenPublicKeyFile, dataDir }: Configuration,
  { isAlone, signs, verifies }: { isAlone: boolean; signs: boolean; verifies: boolean },
): Promise<Partial<TokenKeys>> {
  if (!tokenPrivateKeyFile && !tokenPublicKeyFile && isAlone) return ownKeys(join(dataDir, 'token-key.pem'));
  if (signs && !tokenPrivateKeyFile) throw missing('TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE', 'private');
  if (verifies && !tokenPublicKeyFile) throw missing('TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE', 'public');
  return {
    ...(signs ? { privateKey: createPrivateKey(await readPem(tokenPrivateKeyFile!)) } : {}),
    ...(verifies ? { publicKey: createPublicKey(await readPem(tokenPublicKeyFile!)) } : {}),
  };
}

/** Kept between starts: work that outlives a call holds a token that must be good after a restart. */
async function ownKeys(file: string): Promise<TokenKeys> {
  if (!existsSync(file)) {
    await writeFile(`${file}.new`, generateTokenKeys().privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  const privateKey = createPrivateKey(await readPem(file));
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`The token key ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function missing(variable: string, half: string): ConfigurationError {
  return new ConfigurationError(
    `${variable}: expected the file of the ${half} Ed25519 key, because not all services run in this process. ` +
      'Make a pair with: openssl genpkey -algorithm ed25519 -out private.pem; openssl pkey -in private.pem -pubout -out public.pem',
  );
}
