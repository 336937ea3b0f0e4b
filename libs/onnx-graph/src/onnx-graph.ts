import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** An operation of the graph. Integer attributes only: no recipe needs others. */
export interface OnnxNode {
  type: string;
  inputs: readonly string[];
  output: string;
  /** Of an operation that has several. */
  moreOutputs?: readonly string[];
  attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** An input or output of the graph; a text is the name of a free dimension. */
export interface OnnxValue {
  name: string;
  type: 'FLOAT' | 'INT64';
  shape: readonly (number | string)[];
}

/** A constant of the graph. */
export interface OnnxConstant {
  name: string;
  type: 'FLOAT' | 'FLOAT16' | 'DOUBLE' | 'INT64';
  dims: readonly number[];
  /** FLOAT16 as bytes, little endian. */
  data: Float32Array | Float64Array | BigInt64Array | Uint8Array;
}

/** What becomes of a graph. */
export interface GraphEdit {
  /** Inputs and outputs that the graph no longer has. */
  removed: readonly string[];
  inputs?: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
  constants?: readonly OnnxConstant[];
  /** Run before the graph's own nodes. */
  before?: readonly OnnxNode[];
  /** Run after them. */
  after: readonly OnnxNode[];
}

/** Data types of onnx.proto, as a Cast names them too. */
export const elementTypes = { FLOAT: 1, INT64: 7, FLOAT16: 10, DOUBLE: 11 } as const;
/** Field numbers of onnx.proto. */
const modelField = { graph: 7 };
const graphField = { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13 };

/** ir_version 8 and opset 17 around an empty graph: a model that an edit fills. */
export function emptyModel(): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int64(8);
  writer.tag(modelField.graph, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).string('graph').join();
  return writer.tag(8, WireType.LengthDelimited).fork().tag(2, WireType.Varint).int64(17).join().finish();
}

/**
 * Rewires an ONNX model without reading its weights: the graph's fields are walked and copied as bytes, new ones are
 * put before and after, and what no output needs any more is left out (ONNX Runtime would go on computing it).
 *
 * @throws Error when the bytes are no ONNX model, or a name to remove is not there.
 */
export function editGraph(model: Uint8Array, edit: GraphEdit): Uint8Array {
  const parts: Uint8Array[] = [];
  let isDone = false;
  for (const { field, from, content, end } of fields(model)) {
    if (field !== modelField.graph || isDone) {
      parts.push(model.subarray(from, end));
      continue;
    }
    const graph = editedGraph(model.subarray(content, end), edit);
    const length = graph.reduce((sum, part) => sum + part.byteLength, 0);
    parts.push(new BinaryWriter().tag(modelField.graph, WireType.LengthDelimited).uint32(length).finish(), ...graph);
    isDone = true;
  }
  if (!isDone) throw new Error('these bytes are no ONNX model: they have no graph');
  return Buffer.concat(parts);
}

function editedGraph(graph: Uint8Array, edit: GraphEdit): Uint8Array[] {
  const own = [...fields(graph)].map(({ field, from, content, end }) => ({
    field,
    bytes: graph.subarray(from, end),
    content: graph.subarray(content, end),
  }));
  const isRemoved = (field: number, name: string) =>
    (field === graphField.input || field === graphField.output) && edit.removed.includes(name);
  const values = own.filter(({ field }) => field === graphField.input || field === graphField.output).map(({ content }) => nameOf(content));
  const absent = edit.removed.filter((name) => !values.includes(name));
  if (absent.length > 0) throw new Error(`the graph has no input or output ${absent.join(', ')}`);

  const live = new Set(edit.outputs.map(({ name }) => name));
  for (const { field, content } of own) {
    if (field === graphField.output && !isRemoved(field, nameOf(content))) live.add(nameOf(content));
  }
  for (const { inputs } of edit.after) inputs.forEach((name) => live.add(name));
  // Nodes stand in topological order, so one walk from the last to the first finds all that an output needs.
  const isNeeded = new Map<Uint8Array, boolean>();
  for (const { field, bytes, content } of own.toReversed()) {
    if (field !== graphField.node) continue;
    const { inputs, outputs } = readNode(content);
    const needed = outputs.some((name) => live.has(name));
    isNeeded.set(bytes, needed);
    if (needed) inputs.forEach((name) => live.add(name));
  }

  const kept = own.filter(({ field, bytes, content }) => {
    if (field === graphField.node) return isNeeded.get(bytes);
    if (field === graphField.initializer) return live.has(nameOf(content, 8));
    if (field === graphField.valueInfo) return live.has(nameOf(content));
    if (field === graphField.input || field === graphField.output) return !isRemoved(field, nameOf(content));
    return true;
  });
  return [written(edit.before ?? []), ...kept.map(({ bytes }) => bytes), written(edit.after, edit)];
}

function written(nodes: readonly OnnxNode[], { constants = [], inputs = [], outputs = [] }: Partial<GraphEdit> = {}): Uint8Array {
  const writer = new BinaryWriter();
  for (const node of nodes) nested(writer, graphField.node, (message) => writeNode(message, node));
  for (const constant of constants) nested(writer, graphField.initializer, (message) => writeConstant(message, constant));
  for (const value of inputs) nested(writer, graphField.input, (message) => writeValue(message, value));
  for (const value of outputs) nested(writer, graphField.output, (message) => writeValue(message, value));
  return writer.finish();
}

/** NodeProto: input 1, output 2, attribute 5; in an attribute, g 6 and graphs 11 are graphs of their own. */
function readNode(node: Uint8Array): { inputs: string[]; outputs: string[] } {
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (const { field, content, end } of fields(node)) {
    const bytes = node.subarray(content, end);
    if (field === 1) inputs.push(asText(bytes));
    if (field === 2) outputs.push(asText(bytes));
    if (field === 5 && [...fields(bytes)].some((inner) => inner.field === 6 || inner.field === 11)) {
      throw new Error('a node with a graph inside is not supported');
    }
  }
  return { inputs, outputs };
}

/** Fields of a message in order: where each starts, where its content starts, where it ends. */
function* fields(bytes: Uint8Array): Generator<{ field: number; from: number; content: number; end: number }> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType);
      yield { field, from, content: from, end: reader.pos };
      continue;
    }
    const length = reader.uint32();
    const content = reader.pos;
    if (content + length > bytes.byteLength) throw new Error('the file is cut short');
    reader.pos += length;
    yield { field, from, content, end: reader.pos };
  }
}

/** The name of a message that has one: field 1 of an input, output or value_info, field 8 of a constant. */
function nameOf(message: Uint8Array, nameField = 1): string {
  for (const { field, content, end } of fields(message)) {
    if (field === nameField) return asText(message.subarray(content, end));
  }
  return '';
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

function nested(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

const text = (writer: BinaryWriter, field: number, value: string) => writer.tag(field, WireType.LengthDelimited).string(value);
const integer = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, WireType.Varint).int64(value);

/** NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. AttributeProto: name 1, i 3, ints 8, type 20 (2 INT, 7 INTS). */
function writeNode(writer: BinaryWriter, { type, inputs, output, moreOutputs = [], attributes = {} }: OnnxNode): void {
  for (const input of inputs) text(writer, 1, input);
  for (const name of [output, ...moreOutputs]) text(writer, 2, name);
  text(writer, 3, `touchstone/${output}`);
  text(writer, 4, type);
  for (const [name, value] of Object.entries(attributes)) {
    nested(writer, 5, (attribute) => {
      text(attribute, 1, name);
      for (const one of [value].flat()) integer(attribute, typeof value === 'number' ? 3 : 8, one);
      integer(attribute, 20, typeof value === 'number' ? 2 : 7);
    });
  }
}

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
function writeConstant(writer: BinaryWriter, { name, type, dims, data }: OnnxConstant): void {
  for (const size of dims) integer(writer, 1, size);
  integer(writer, 2, elementTypes[type]);
  text(writer, 8, name);
  writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** ValueInfoProto: name 1, type 2 → tensor_type 1 → elem_type 1, shape 2 → dim 1 → dim_value 1 | dim_param 2. */
function writeValue(writer: BinaryWriter, { name, type, shape }: OnnxValue): void {
  text(writer, 1, name);
  nested(writer, 2, (typeProto) =>
    nested(typeProto, 1, (tensor) => {
      integer(tensor, 1, elementTypes[type]);
      nested(tensor, 2, (shapeProto) => {
        for (const size of shape) {
          nested(shapeProto, 1, (dim) => (typeof size === 'number' ? integer(dim, 1, size) : text(dim, 2, size)));
        }
      });
    }),
  );
}
