"""Writes the worked examples of RULES (a) as files of a few kB: E1-E7, G1-G5, P1-P7, S1-S3.

Every tensor is a view of one element where its values do not matter: shapes are what presets look
at. Written by PyTorch 2.13; run in this folder."""
import os
import pickle
from collections import OrderedDict

import numpy
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def state(text, dtype=torch.float32):
    """ "a.weight:2,3 b:4" as a state dict."""
    made = OrderedDict()
    for word in text.split():
        name, _, shape = word.partition(":")
        made[name] = torch.zeros((), dtype=dtype).expand([int(size) for size in shape.split(",") if size])
    return made


def save(name, value):
    path = os.path.join(HERE, name + ".pth")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.save(value, path)


save("e1", {"state_dict": state("module.backbone.conv1.weight:64,3,7,7 module.head.fc.weight:100,2048 "
                                "module.head.fc.bias:100")})
save("e1_net", state("backbone.conv1.weight:64,3,7,7 head.fc.weight:200,2048 head.fc.bias:200"))
save("e2_net", state("conv1.weight:64,3,7,7"))
save("e3", state("conv1.weight:64,3,7,7 fc.weight:10,8 fc.bias:10"))
save("e4", state("a.weight:2,2", torch.float16))
save("e4_net", state("a.weight:2,2"))
save("e5", {"state_dict": {"model_state": state("module.module.a.weight:2,2")}})
save("e6", state("module.a.w:1 a.w:2 b.module.c:3"))
save("e6_net", state("a.w:2 b.c:3"))
save("e7", state("neck.w:4"))

save("g1", state("conv1.weight:4,3,3,3 fc.weight:1000,8 fc.bias:1000"))
net = torch.nn.Module()
net.conv1 = torch.nn.Conv2d(3, 4, 3, bias=False)
net.fc = torch.nn.Linear(8, 10)
save("g_net", net.state_dict())
save("g_plain", state("conv1.weight:4,3,3,3 fc.weight:10,8 fc.bias:10"))
save("g2", state("conv1.weight:4,3,3,3 fc.weight:10,8 extra:2"))
save("g4", state("conv1.weight:4,3,3,3 extra:2"))
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
weight.sum().backward()
optimizer.step()
save("g5", {"epoch": 6, "state_dict": {"w": weight.data}, "optimizer": optimizer.state_dict(), "best_pred": 0.91})
save("g5_net", {"w": torch.zeros(2)})
save("e8", {"epoch": 4, "total_iters": {"train": 500}, "state_dict": {"w": weight.data}, "optimizer": optimizer.state_dict(),
            "lr_scheduler": {"last_epoch": 4}, "_CheckpointHook_best": 76.28})

save("p1", state("module.conv1.weight:64,3,7,7 module.res2.conv1.weight:64,64,1,1 module.fc.weight:5,4"))
save("p1_net", state("backbone.body.conv1.weight:64,3,7,7 backbone.body.res2.conv1.weight:64,64,1,1 "
                     "rpn.preconv1.weight:64,3,7,7 fc.weight:10,4"))
save("p2", state("fc.weight:4,4"))
save("p2_net", state("a.head.fc.weight:4,4 b.head.fc.weight:4,4 c.fc.weight:4,4"))
save("p3_net", state("a.fc.weight:9,9 b.fc.weight:4,4"))
p4 = state("module.conv1.weight:64,3,7,7")
p4["epoch"] = 3
save("p4", p4)
save("p5", {"model": state("conv1.weight:64,3,7,7"), "optimizer": optimizer.state_dict(),
            "scheduler": {"iteration": 1200, "info": {"cur_epoch": 7, "cur_acc": 76.284, "best_acc": 70.0, "best_epoch": 3}}})
save("p6", {"conv1.weight": torch.arange(6.).view(1, 3, 2, 1)})
save("p6_net", {"conv1.weight": torch.zeros(1, 3, 2, 1)})

CONVS = {0: (64, 3, 3, 3), 2: (64, 64, 3, 3), 5: (128, 64, 3, 3), 7: (128, 128, 3, 3), 10: (256, 128, 3, 3),
         12: (256, 256, 3, 3), 14: (256, 256, 3, 3), 17: (512, 256, 3, 3), 19: (512, 512, 3, 3), 21: (512, 512, 3, 3),
         24: (512, 512, 3, 3), 26: (512, 512, 3, 3), 28: (512, 512, 3, 3), 31: (1024, 512, 3, 3), 33: (1024, 1024, 1, 1)}
OTHERS = {24: "features2.1", 26: "features2.3", 28: "features2.5", 31: "conv6", 33: "conv7"}
caffe = state(" ".join(f"{n}.weight:{','.join(map(str, shape))} {n}.bias:{shape[0]}" for n, shape in CONVS.items()))
net = OrderedDict((f"{OTHERS.get(n, f'features1.{n}')}.{leaf}", caffe[f"{n}.{leaf}"])
                  for n in CONVS for leaf in ("weight", "bias"))
save("vgg16_reducedfc", caffe)
save("vgg", caffe)
save("p7_net", net)

alexnet = ("features.0.weight:64,3,11,11 features.0.bias:64 features.3.weight:192,64,5,5 features.3.bias:192 "
           "features.6.weight:384,192,3,3 features.6.bias:384 features.8.weight:256,384,3,3 features.8.bias:256 "
           "features.10.weight:256,256,3,3 features.10.bias:256 classifier.1.weight:4096,9216 classifier.1.bias:4096 "
           "classifier.4.weight:4096,4096 classifier.4.bias:4096 classifier.6.weight:1000,4096 classifier.6.bias:1000")
save("s1", state(alexnet))
save("s1_net", state(alexnet.replace("4096,9216", "4096,12800").replace("1000", "20")))
save("s2", state("c1:2 c2:2 c3:2"))
save("s2_net", state("c0:2 c1:2 c2:2 c3:2"))
save("s3", state("c1:2 c3:2 c2:2"))
save("s3_net", state("c1:2 c2:2 c3:2"))

save("wrapped", {"state_dict": state("_orig_mod.module.conv1.weight:4,3,3,3 module.fc.weight:10,8 module._orig_mod.fc.bias:10"),
                 "state_dict_ema": None})
save("fv", {"model": state("module.conv1.weight:4,3,3,3 module.fc.weight:1000,8 module.extra.a:2 module.extra.b:2")})
save("ambiguous", state("fc.weight:4,4"))

# Caffe2's names, as Detectron pickled them.
blobs = {"conv1_w": (4, 3, 1, 1), "res_conv1_bn_s": (4,), "res2_0_branch2a_w": (4, 4, 1, 1), "res2_0_branch1_bn_b": (4,),
         "fpn_inner_res2_2_sum_lateral_w": (4, 4, 1, 1), "conv_rpn_fpn2_b": (4,), "fc6_w": (4, 4), "cls_score_b": (3,),
         "bbox_pred_b": (12,), "conv1_w_momentum": (4, 3, 1, 1)}
with open(os.path.join(HERE, "c2.pkl"), "wb") as file:
    pickle.dump({"blobs": {name: numpy.arange(numpy.prod(shape), dtype="f4").reshape(shape) for name, shape in blobs.items()}},
                file, protocol=2)
save("c2_net", state("backbone.bottom_up.stem.conv1.weight:4,3,1,1 backbone.bottom_up.stem.conv1.norm.weight:4 "
                     "backbone.bottom_up.res2.0.conv1.weight:4,4,1,1 backbone.bottom_up.res2.0.shortcut.norm.bias:4 "
                     "backbone.fpn_lateral2.weight:4,4,1,1 proposal_generator.rpn_head.conv.bias:4 "
                     "roi_heads.box_head.fc1.weight:4,4 roi_heads.box_predictor.cls_score.bias:3 "
                     "roi_heads.box_predictor.bbox_pred.bias:8 pixel_mean:3"))
save("c2_old_net", state("backbone.body.stem.conv1.weight:4,3,1,1 backbone.body.stem.bn1.weight:4 "
                         "backbone.body.layer1.0.conv1.weight:4,4,1,1 backbone.body.layer1.0.downsample.1.bias:4 "
                         "backbone.fpn.fpn_inner1.weight:4,4,1,1 rpn.head.conv.bias:4 box.fc6.weight:4,4 "
                         "box.predictor.cls_score.bias:3 box.predictor.bbox_pred.bias:12"))
