"""The systems themselves, as their authors released them. Of what they import, only PyTorch is there: what loads no
checkpoint (images, plots, remote files) is stood in for."""
import os
import sys
import unittest.mock

os.environ["NO_COLOR"] = "1"          # fvcore's keys are blue on a terminal
for name in ("cv2", "matplotlib", "matplotlib.pyplot", "matplotlib.backends", "matplotlib.backends.backend_agg",
             "matplotlib.figure", "matplotlib.patches", "matplotlib.collections", "essmc2.utils.file_systems",
             "torchvision", "torchvision.ops", "torchvision.ops.misc", "timm.data"):
    sys.modules.setdefault(name, unittest.mock.MagicMock())
import essmc2.utils.model as essmc2_model                       # pylint: disable=wrong-import-position
import fvcore.common.checkpoint as fvcore_checkpoint            # pylint: disable=wrong-import-position
import mmengine.runner.checkpoint as mmengine_checkpoint        # pylint: disable=wrong-import-position
import timm                                                     # pylint: disable=wrong-import-position
import timm.models._helpers as timm_helpers                     # pylint: disable=wrong-import-position
