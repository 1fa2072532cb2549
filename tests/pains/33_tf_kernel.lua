-- 33_tf_kernel: TensorFlow's kernels, and three colours of one channel (cnn_finetune#44, PyMDNet#3)
--
-- @case
--   conv1.kernel 3,3,1,2
-- @gives
--   conv1.weight 2,3,3,3 <- conv1.kernel
-- @same conv1.weight[1,0,2,0] = conv1.kernel[2,0,0,1]

rules [[ conv1.kernel -> conv1.weight |> permute(3, 2, 0, 1), tile(1, 3) ]]
