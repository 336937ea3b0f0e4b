/** The platform's vision encoder with its inside open: hidden states, attention and keys, for pictures of any size. */
import { readFile } from 'node:fs/promises';
import { editGraph } from '@touchstone/onnx-graph';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { HiddenStates } from '../../services/compression/src/evocut/evocut.ts';

export const patchPixels = 14;
/** The picture that the encoder was made for: 16 × 16 patches. */
export const side = 16;
export const tokens = side ** 2;
export const width = 384;
const heads = 6;
const depth = 12;
/** l0: the middle layer, as in the paper. The first hidden state is the one before it. */
const firstLayer = 6;

/** RGB, rows × columns patches of 14 × 14 pixels. */
export interface Picture {
  readonly rows: number;
  readonly columns: number;
  readonly pixels: Uint8Array;
}

export interface Encoded {
  /** Hidden states of layers 5 to 12 of the patches alone: 7 transitions. */
  readonly states: HiddenStates;
  /** After the last layer, the last but one, and the ninth, which the platform's vectors are made of. */
  readonly last: Float32Array;
  readonly lastButOne: Float32Array;
  readonly ninth: Float32Array;
  /** Of the last layer but one: attention from the class token summed over heads, and the mean over heads of keys. */
  readonly classAttention: Float64Array;
  readonly keys: Float32Array;
  readonly keyWidth: number;
  readonly ms: number;
}

const layerName = (layer: number) => `/backbone/encoder/layer.${layer - 1}/Add_1_output_0`;
const attentionName = `/backbone/encoder/layer.${depth - 2}/attention/attention/Softmax_output_0`;
const keyName = `/backbone/encoder/layer.${depth - 2}/attention/attention/key/Add_output_0`;
const mean = [0.485, 0.456, 0.406];
const deviation = [0.229, 0.224, 0.225];

export class Encoder {
  private constructor(
    private readonly session: InferenceSession,
    private readonly input: string,
  ) {}

  /** @param file an ONNX graph with the encoder's own names in it; its outputs and other inputs are left out. */
  static async open(file: string, threads = 1): Promise<Encoder> {
    const model = await readFile(file);
    const { inputNames, outputNames } = await InferenceSession.create(model, { graphOptimizationLevel: 'disabled' });
    const input = inputNames.find((name) => name === 'pixel_values') ?? inputNames[0];
    const layers = Array.from({ length: depth - firstLayer + 2 }, (_, at) => layerName(firstLayer - 1 + at));
    const opened = editGraph(model, {
      removed: [...inputNames, ...outputNames],
      inputs: [{ name: input, type: 'FLOAT', shape: ['batch', 3, 'height', 'width'] }],
      outputs: [
        ...layers.map((name) => ({ name, type: 'FLOAT' as const, shape: ['batch', 'rows', width] })),
        { name: attentionName, type: 'FLOAT', shape: ['batch', heads, 'rows', 'rows'] },
        { name: keyName, type: 'FLOAT', shape: ['batch', 'rows', width] },
      ],
      after: [],
    });
    return new Encoder(await InferenceSession.create(opened, { intraOpNumThreads: threads, interOpNumThreads: 1 }), input);
  }

  async encode({ rows, columns, pixels }: Picture): Promise<Encoded> {
    const count = rows * columns;
    const plane = count * patchPixels ** 2;
    const data = new Float32Array(3 * plane);
    for (let channel = 0; channel < 3; channel++) {
      for (let at = 0; at < plane; at++) data[channel * plane + at] = (pixels[at * 3 + channel] / 255 - mean[channel]) / deviation[channel];
    }
    const start = performance.now();
    const outputs = await this.session.run({ [this.input]: new Tensor('float32', data, [1, 3, rows * patchPixels, columns * patchPixels]) });
    const ms = performance.now() - start;
    const layer = (number: number) => (outputs[layerName(number)].data as Float32Array).subarray(width);
    const attention = outputs[attentionName].data as Float32Array;
    const all = count + 1;
    const classAttention = Float64Array.from({ length: count }, (_, token) => {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += attention[head * all * all + 1 + token];
      return sum;
    });
    const keyWidth = width / heads;
    const ownKeys = (outputs[keyName].data as Float32Array).subarray(width);
    const keys = Float32Array.from({ length: count * keyWidth }, (_, at) => {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += ownKeys[Math.floor(at / keyWidth) * width + head * keyWidth + (at % keyWidth)];
      return sum / heads;
    });
    const layers = Array.from({ length: depth - firstLayer + 2 }, (_, at) => layer(firstLayer - 1 + at));
    return { states: { layers, tokens: count, width }, last: layer(depth), lastButOne: layer(depth - 1), ninth: layer(9), classAttention, keys, keyWidth, ms };
  }
}
