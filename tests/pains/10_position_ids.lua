-- 10_position_ids: a buffer that newer versions compute (gligen/GLIGEN#67, open-mmlab/PIA#13, DPR#165)
--
-- @case
--   text_model.embeddings.position_ids i64 1,77
--   text_model.embeddings.position_embedding.weight 77,4
--   position_ids_head.weight 2,4
-- @gives
--   text_model.embeddings.position_embedding.weight 77,4
--   position_ids_head.weight 2,4

rules [[ **.embeddings.position_ids -> ]]
