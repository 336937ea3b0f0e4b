/** Token of the models that embed texts and pictures (`Models` of libs/models). */
export const MODELS = Symbol('models');
