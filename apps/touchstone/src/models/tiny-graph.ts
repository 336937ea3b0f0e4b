import { editGraph, emptyModel, type OnnxConstant, type OnnxNode, type OnnxValue } from '@touchstone/onnx-graph';

/** Numbers from -1 to 1 by a linear congruential generator, times `scale`; the tools that make references have the same. */
export function seeded(length: number, seed: number, scale: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => ((state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 31 - 1) * scale);
}

/** Collects nodes and constants of a graph for tests; each method returns the name of its result. */
export class TinyGraph {
  private readonly nodes: OnnxNode[] = [];
  private readonly constants: OnnxConstant[] = [];

  floats(dims: readonly number[], data: Float32Array): string {
    return this.constant({ name: `floats${this.constants.length}`, type: 'FLOAT', dims, data });
  }

  number(value: number): string {
    return this.floats([], Float32Array.of(value));
  }

  integers(dims: readonly number[], ...values: number[]): string {
    return this.constant({ name: `integers${this.constants.length}`, type: 'INT64', dims, data: BigInt64Array.from(values, BigInt) });
  }

  node(type: string, inputs: readonly string[], attributes?: OnnxNode['attributes'], output = `node${this.nodes.length}`): string {
    this.nodes.push({ type, inputs, output, attributes });
    return output;
  }

  bytes(inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): Uint8Array {
    return editGraph(emptyModel(), { removed: [], inputs: [...inputs], constants: this.constants, after: this.nodes, outputs: [...outputs] });
  }

  private constant(constant: OnnxConstant): string {
    this.constants.push(constant);
    return constant.name;
  }
}
