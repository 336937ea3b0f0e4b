// Runs the TypeScript sources without a build: `node --conditions=@touchstone/source --import ./source.mjs file.ts`.
// Node's own type stripping refuses parameter properties and decorators, so rolldown transforms each file on load.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'rolldown/utils';

registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !url.endsWith('.ts') || url.includes('/node_modules/')) return nextLoad(url, context);
    const file = fileURLToPath(url);
    const { code, errors } = transformSync(file, readFileSync(file, 'utf8'), {
      lang: 'ts',
      sourcemap: true,
      tsconfig: false,
      decorator: { legacy: true, emitDecoratorMetadata: true },
      assumptions: { setPublicClassFields: true },
      typescript: { removeClassFieldsWithoutInitializer: true },
    });
    if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
    return { format: 'module', shortCircuit: true, source: code };
  },
});
