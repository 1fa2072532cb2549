"""Google's protobuf library writes Caffe models; tenon reads equal names, shapes and values."""
import os
import sys
import unittest

import numpy as np
import safetensors.numpy

from oracle import ROOT, Case

sys.path.insert(0, os.path.join(ROOT, "tests", "data", "caffe"))
import make_caffe  # noqa: E402


class Caffe(Case):
    def values(self, spec):
        """{name: array} of a container, by way of an aligned safetensors file."""
        out = self.path("out.safetensors")
        self.tenon("align", spec, "--force", "-o", out)
        return safetensors.numpy.load_file(out)

    def save(self, net):
        path = self.path("net.caffemodel")
        with open(path, "wb") as file:
            file.write(net.SerializeToString())
        return path

    def test_blobs_as_they_stand(self):
        for packed in (True, False):
            for make in (make_caffe.tiny, make_caffe.old):
                net = make(make_caffe.caffe_messages(packed))
                path = self.save(net)
                layers = [(one.name, one.blobs) for one in net.layer]
                layers += [(one.name or one.layer.name, one.blobs or one.layer.blobs)
                           for one in net.layers]
                got = self.values(path)
                names = []
                for name, blobs in layers:
                    for i, blob in enumerate(blobs):
                        shape = list(blob.shape.dim) or [blob.num, blob.channels, blob.height,
                                                         blob.width]
                        want = np.array(blob.data, np.float32).reshape(shape)
                        names.append(f"{name}.{i}")
                        np.testing.assert_array_equal(got[names[-1]], want)
                self.assertEqual([one["key"] for one in self.listing(path)["tensors"]], names)

    def test_names_and_statistics(self):
        net = make_caffe.tiny(make_caffe.caffe_messages())
        got = self.values(self.save(net) + "::named")
        norm = {layer.name: layer for layer in net.layer}["bn1"]
        factor = np.float32(norm.blobs[2].data[0])
        for i, role in enumerate(("running_mean", "running_var")):
            np.testing.assert_array_equal(got[f"bn1.{role}"],
                                          np.array(norm.blobs[i].data, np.float32) / factor)
        self.assertEqual(sorted(got), sorted(["conv1.weight", "conv1.bias", "bn1.running_mean",
                                              "bn1.running_var", "scale1.weight", "scale1.bias",
                                              "relu1.weight", "fc.weight", "fc.bias"]))

    def test_doubles_and_large_blobs(self):
        for packed in (True, False):
            classes = make_caffe.caffe_messages(packed)
            net = classes["NetParameter"](name="n")
            arrays = [np.random.default_rng(1).standard_normal((60, 500)),
                      np.random.default_rng(2).standard_normal(30000).astype(np.float32)]
            layer = net.layer.add(name="fc", type="InnerProduct")
            for array in arrays:
                make_caffe.fill(layer.blobs.add(), array)
            got = self.values(self.save(net))
            for i, array in enumerate(arrays):
                np.testing.assert_array_equal(got[f"fc.{i}"], array)


if __name__ == "__main__":
    unittest.main()
