export { editGraph, emptyModel, type GraphEdit, type OnnxConstant, type OnnxNode, type OnnxValue } from './onnx-graph.ts';
