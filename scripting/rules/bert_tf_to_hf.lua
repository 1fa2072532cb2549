-- bert_tf_to_hf: BERT of any size from Google's TensorFlow 1 names to Hugging Face's
--
-- Kernels are transposed; optimizer slots and global_step are dropped. The decoder of the language
-- model head, which is the word embedding, is written where the target has it.
-- Source: transformers models/bert/modeling_bert.py load_tf_weights_in_bert
--
-- @reverse
-- @case
--   bert/embeddings/word_embeddings 12,8
--   bert/embeddings/{position,token_type}_embeddings 6,8
--   bert/embeddings/LayerNorm/{gamma,beta} 8
--   bert/encoder/layer_{0-11}/attention/self/{query,key,value}/kernel 8,8
--   bert/encoder/layer_{0-11}/attention/self/{query,key,value}/bias 8
--   bert/encoder/layer_{0-11}/attention/output/dense/kernel 8,8
--   bert/encoder/layer_{0-11}/attention/output/LayerNorm/{gamma,beta} 8
--   bert/encoder/layer_{0-11}/intermediate/dense/kernel 8,32
--   bert/encoder/layer_{0-11}/output/dense/kernel 32,8
--   bert/encoder/layer_{0-11}/output/dense/kernel/adam_{m,v} 32,8
--   bert/pooler/dense/kernel 8,8
--   cls/predictions/transform/dense/kernel 8,8
--   cls/predictions/transform/LayerNorm/gamma 8
--   cls/predictions/output_bias 12
--   cls/seq_relationship/output_weights 2,8
--   cls/seq_relationship/output_bias 2
--   global_step i64
-- @gives
--   bert.embeddings.word_embeddings.weight 12,8 <- bert/embeddings/word_embeddings
--   bert.embeddings.{position,token_type}_embeddings.weight 6,8 <- bert/embeddings/{position,token_type}_embeddings
--   bert.embeddings.LayerNorm.{weight,bias} 8 <- bert/embeddings/LayerNorm/{gamma,beta}
--   bert.encoder.layer.{0-11}.attention.self.{query,key,value}.weight 8,8 <- bert/encoder/layer_{0-11}/attention/self/{query,key,value}/kernel
--   bert.encoder.layer.{0-11}.attention.self.{query,key,value}.bias 8 <- bert/encoder/layer_{0-11}/attention/self/{query,key,value}/bias
--   bert.encoder.layer.{0-11}.attention.output.dense.weight 8,8 <- bert/encoder/layer_{0-11}/attention/output/dense/kernel
--   bert.encoder.layer.{0-11}.attention.output.LayerNorm.{weight,bias} 8 <- bert/encoder/layer_{0-11}/attention/output/LayerNorm/{gamma,beta}
--   bert.encoder.layer.{0-11}.intermediate.dense.weight 32,8 <- bert/encoder/layer_{0-11}/intermediate/dense/kernel
--   bert.encoder.layer.{0-11}.output.dense.weight 8,32 <- bert/encoder/layer_{0-11}/output/dense/kernel
--   bert.pooler.dense.weight 8,8 <- bert/pooler/dense/kernel
--   cls.predictions.transform.dense.weight 8,8 <- cls/predictions/transform/dense/kernel
--   cls.predictions.transform.LayerNorm.weight 8 <- cls/predictions/transform/LayerNorm/gamma
--   cls.predictions.bias 12 <- cls/predictions/output_bias
--   cls.predictions.decoder.weight 12,8 <- bert/embeddings/word_embeddings
--   cls.seq_relationship.weight 2,8 <- cls/seq_relationship/output_weights
--   cls.seq_relationship.bias 2 <- cls/seq_relationship/output_bias
-- @same bert.encoder.layer.3.attention.self.key.weight[1,5] = bert/encoder/layer_3/attention/self/key/kernel[5,1]
-- @same bert.embeddings.word_embeddings.weight[9,2] = bert/embeddings/word_embeddings[9,2]

local o = ... or {}
if o.reverse then
  rules [[
    **.embeddings.position_ids ->
    cls.predictions.decoder.{p:weight|bias} ->
    cls.predictions.bias         -> cls.predictions.output_bias
    cls.seq_relationship.weight  -> cls.seq_relationship.output_weights
    cls.seq_relationship.bias    -> cls.seq_relationship.output_bias
    bert.embeddings.{x:*}_embeddings.weight -> bert.embeddings.{x}_embeddings
    **.LayerNorm.weight -> **.LayerNorm.gamma
    **.LayerNorm.bias   -> **.LayerNorm.beta
    **.weight           -> **.kernel |> T
  ]]
  sub [[ encoder.layer.{i} -> encoder.layer_{i} ]]
  each(function(key) return (key:gsub("%.", "/")) end)
else
  each(function(key)
    if key:find "/adam_[mv]$" or key:find "/Adam" or key == "global_step" then return false end
    return (key:gsub("/", "."))
  end)
  if target and target["cls.predictions.decoder.weight"] then
    rules [[ &bert.embeddings.word_embeddings -> cls.predictions.decoder.weight ]]
  end
  rules [[
    cls.predictions.output_bias         -> cls.predictions.bias
    cls.seq_relationship.output_weights -> cls.seq_relationship.weight
    cls.seq_relationship.output_bias    -> cls.seq_relationship.bias
    bert.embeddings.{x:*}_embeddings    -> bert.embeddings.{x}_embeddings.weight
    **.LayerNorm.gamma -> **.LayerNorm.weight
    **.LayerNorm.beta  -> **.LayerNorm.bias
    **.kernel          -> **.weight |> T
  ]]
  sub [[ encoder.layer_{i} -> encoder.layer.{i} ]]
end
