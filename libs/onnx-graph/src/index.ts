export { editGraph, elementTypes, emptyModel, type GraphEdit, type OnnxConstant, type OnnxNode, type OnnxValue } from './onnx-graph.ts';
