#!/usr/bin/env node
import 'reflect-metadata';
import { program } from './program.ts';

const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(`Touchstone needs Node 24 or newer and this is ${process.version}.\n`);
  process.exit(1);
}
// `touchstone … | head` closes the pipe early; that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await program(process.argv.slice(2));
