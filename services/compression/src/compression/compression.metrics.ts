import { Counter, registry } from '@touchstone/runtime/metrics';

const pictures = new Counter({
  name: 'touchstone_compression_pictures_total',
  help: 'Pictures that were compressed: encoded for it, or cached from an earlier call.',
  labelNames: ['tokens'],
  registers: [registry],
});

export function notePictures(cached: number, encoded: number): void {
  pictures.inc({ tokens: 'cached' }, cached);
  pictures.inc({ tokens: 'encoded' }, encoded);
}
