"""The systems themselves, as their authors released them. Of what they import, only PyTorch is there: what loads no
checkpoint (images, plots, remote files) is stood in for."""
import os
import sys
import unittest.mock

os.environ["NO_COLOR"] = "1"          # fvcore's keys are blue on a terminal
for name in ("cv2", "matplotlib", "matplotlib.pyplot", "matplotlib.backends", "matplotlib.backends.backend_agg",
             "matplotlib.figure", "matplotlib.patches", "matplotlib.collections", "essmc2.utils.file_systems",
             "docstring_parser", "oss2", "minio", "einops", "tensorboard", "torch.utils.tensorboard", "torchvision",
             "torchvision.ops", "torchvision.ops.misc", "timm.data"):
    sys.modules.setdefault(name, unittest.mock.MagicMock())
import essmc2.hooks.checkpoint as essmc2_hook                   # pylint: disable=wrong-import-position
import essmc2.utils.model as essmc2_model                       # pylint: disable=wrong-import-position
from essmc2.solvers.train_val_solver import TrainValSolver as essmc2_solver   # pylint: disable=wrong-import-position
import fvcore.common.checkpoint as fvcore_checkpoint            # pylint: disable=wrong-import-position
import mmengine.runner.checkpoint as mmengine_checkpoint        # pylint: disable=wrong-import-position
import timm                                                     # pylint: disable=wrong-import-position
import timm.models._helpers as timm_helpers                     # pylint: disable=wrong-import-position
