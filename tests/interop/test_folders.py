"""Folders as libraries lay them out; tenon finds the model in them, or offers its parts."""
import json
import os
import unittest

import safetensors.torch
import torch
from torch import nn

import dcp_folders
from oracle import Case


def model(seed, width=3):
    torch.manual_seed(seed)
    return dict(nn.Sequential(nn.Linear(width, 4), nn.LayerNorm(4)).state_dict())


class Folders(Case):
    def put(self, name, state):
        """A file of the scratch folder, in the format of its name."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if name.endswith(".safetensors"):
            safetensors.torch.save_file(state, path, metadata={"format": "pt"})
        elif name.endswith((".json", ".txt", "/latest")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(state if isinstance(state, str) else json.dumps(state))
        else:
            torch.save(state, path)

    def put_state(self, folder):
        """What training leaves beside the weights."""
        optimizer = {"state": {0: {"exp_avg": torch.zeros(9, 9)}}, "param_groups": []}
        for name, what in {"optimizer.pt": optimizer, "scheduler.pt": {"last_epoch": 3},
                           "rng_state.pth": {"cpu": torch.get_rng_state()},
                           "training_args.bin": {"lr": 0.1}, "trainer_state.json": {"epoch": 1},
                           "config.json": {"model_type": "x"}}.items():
            self.put(f"{folder}/{name}", what)

    def part(self, folder, name, state):
        listing = self.listing(f"{self.path(folder)}::{name}")
        self.same(listing, {one["key"]: state[one["key"]] for one in listing["tensors"]})
        self.assertEqual(len(listing["tensors"]), len(state))

    def parts(self, folder, **states):
        containers = self.listing(self.path(folder))["containers"]
        self.assertEqual(sorted(one["path"] for one in containers), sorted(["", *states]))
        for name, state in states.items():
            self.part(folder, name, state)
        self.part(folder, "", {f"{name}.{key}": tensor for name, state in states.items()
                               for key, tensor in state.items()})

    def unique_storages(self, folder, parts):
        storages = [one["storage"] for part in parts
                    for one in self.listing(f"{self.path(folder)}::{part}")["tensors"]]
        self.assertEqual(len(storages), len(set(storages)))

    def refused(self, folder, words):
        with self.assertRaisesRegex(AssertionError, words):
            self.tenon("ls", self.path(folder))

    def test_trainer(self):
        self.put("run/checkpoint-5/model.safetensors", model(1))
        self.put_state("run/checkpoint-5")
        self.part("run/checkpoint-5", "", model(1))
        self.part("run", "", model(1))
        shown = self.tenon("ls", self.path("run/checkpoint-5"))
        self.assertIn("optimizer.pt, rng_state.pth, scheduler.pt, training_args.bin", shown)
        self.put("run/checkpoint-10/model.safetensors", model(2))
        self.refused("run", "several checkpoints; name one of them: checkpoint-5, checkpoint-10")

    def test_training_state_is_no_model(self):
        self.put_state("lost")
        self.refused("lost", "a folder without a model")
        self.put("lost/weights.bin", model(1))
        self.part("lost", "", model(1))

    def test_variants(self):
        half = {name: tensor.half() for name, tensor in model(1).items()}
        self.put("unet/diffusion_pytorch_model.fp16.safetensors", half)
        self.put("unet/diffusion_pytorch_model.fp16.bin", half)
        self.part("unet", "", half)
        self.put("unet/diffusion_pytorch_model.non_ema.safetensors", model(2))
        self.refused("unet", "3 files in it may be meant; name one of them")
        self.put("unet/diffusion_pytorch_model.safetensors", model(3))
        self.part("unet", "", model(3))

    def test_pipeline(self):
        self.put("pipe/model_index.json", {
            "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30",
            "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
            "text_encoder": ["transformers", "CLIPTextModel"], "safety_checker": [None, None],
            "scheduler": ["diffusers", "PNDMScheduler"], "image_encoder": ["transformers", "X"]})
        self.put("pipe/unet/diffusion_pytorch_model.safetensors", model(1, 9))
        self.put("pipe/vae/diffusion_pytorch_model.fp16.safetensors", model(2))
        self.put("pipe/scheduler/scheduler_config.json", {})
        shards = {"model-00001-of-00002.safetensors": {"a": torch.ones(2)},
                  "model-00002-of-00002.safetensors": {"b": torch.ones(3)}}
        for name, state in shards.items():
            self.put("pipe/text_encoder/" + name, state)
        self.put("pipe/text_encoder/model.safetensors.index.json", {
            "metadata": {"total_size": 20}, "weight_map": {
                key: name for name, state in shards.items() for key in state}})
        encoder = {key: tensor for state in shards.values() for key, tensor in state.items()}
        self.parts("pipe", unet=model(1, 9), vae=model(2), text_encoder=encoder)
        self.unique_storages("pipe", ("unet", "vae", "text_encoder"))
        shown = self.tenon("ls", self.path("pipe"))
        self.assertIn("names a part 'image_encoder', which is not there", shown)
        self.assertIn("::PART", shown)
        self.part("pipe/vae", "", model(2))

    def test_accelerate(self):
        self.put("state/model.safetensors", model(1))
        for name in ("optimizer.bin", "optimizer_1.bin", "random_states_0.pkl", "scheduler.bin"):
            self.put("state/" + name, {"state": {0: {"m": torch.ones(3)}}, "param_groups": []})
        self.part("state", "", model(1))
        self.put("state/model_1.safetensors", model(2, 5))
        self.parts("state", model=model(1), model_1=model(2, 5))
        self.unique_storages("state", ("model", "model_1"))

    def test_fsdp(self):
        self.put("full/pytorch_model_fsdp.bin", model(1))
        self.put("full/optimizer.bin", {"state": {}, "param_groups": [], "x": torch.ones(1)})
        self.part("full", "", model(1))
        os.makedirs(self.path("sharded"))
        dcp_folders.save({"model": model(2)}, self.path("sharded/pytorch_model_fsdp_0"))
        dcp_folders.save({"optimizer": {"state": {"a": {"m": torch.ones(1)}}}},
                         self.path("sharded/optimizer_0"))
        self.part("sharded", "model", model(2))
        self.assertIn("by name: optimizer_0", self.tenon("ls", self.path("sharded")))
        for rank in range(2):
            self.put(f"local/pytorch_model_fsdp_rank{rank}.bin", {"flat_param": torch.ones(5) * rank})
        self.parts("local", **{f"pytorch_model_fsdp_rank{rank}": {"flat_param": torch.ones(5) * rank}
                               for rank in range(2)})
        self.assertIn("flat_param", self.tenon("ls", self.path("local")))

    def test_megatron(self):
        def rank(seed):
            return {"model": {"language_model": model(seed)}, "iteration": 100,
                    "rng_state": [{"random_rng_state": (3, (1, 2), None)}],
                    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}}
        self.put("mega/latest_checkpointed_iteration.txt", "100")
        for i in range(2):
            self.put(f"mega/iter_0000100/mp_rank_{i:02d}/model_optim_rng.pt", rank(i))
        for i in range(2):
            self.part("mega", f"mp_rank_{i:02d}", model(i))
            self.part("mega/iter_0000100", f"mp_rank_{i:02d}", model(i))
        paths = {one["path"] for one in self.listing(self.path("mega"))["containers"]}
        self.assertIn("mp_rank_01.optimizer.state[0]", paths)
        for stage in ("00_000", "00_001"):
            self.put(f"stages/mp_rank_{stage}/model_optim_rng.pt", rank(4))
        self.part("stages", "mp_rank_00_001", model(4))
        self.put("mega/latest_checkpointed_iteration.txt", "release")
        self.refused("mega", "leads to 'release', which is not there")
        self.put("mega/latest_checkpointed_iteration.txt", "../mega")
        self.refused("mega", "no name of a file in its folder")

    def test_ranks_are_merged_by_rules(self):
        whole = torch.arange(24.).reshape(6, 4)
        for i in range(2):
            self.put(f"tp/mp_rank_{i:02d}/model_optim_rng.pt",
                     {"model": {"w": whole[3 * i:3 * i + 3].clone()}})
        self.part("tp", "mp_rank_01", {"w": whole[3:]})
        out = self.path("out.pth")
        self.tenon("align", self.path("tp"), "-e", "rules [[ mp_rank_*.w -> w |> cat(0) ]]",
                   "-o", out)
        self.equal(torch.load(out), {"w": whole})

    def test_meta(self):
        for i in (0, 1):
            self.put(f"llama/consolidated.{i:02d}.pth", model(i))
        self.put("llama/params.json", {"dim": 4})
        self.parts("llama", **{"consolidated.00": model(0), "consolidated.01": model(1)})
        self.put("llama/consolidated.03.pth", model(3))
        self.assertIn("the part with number 2 (before consolidated.03.pth) is not there",
                      self.tenon("ls", self.path("llama")))
        self.put("single/consolidated.00.pth", model(0))
        self.part("single", "", model(0))

    def test_cache(self):
        blob = self.path("hub/models--org--name/blobs/abc")
        os.makedirs(os.path.dirname(blob))
        os.makedirs(self.path("hub/models--org--name/refs"))
        safetensors.torch.save_file(model(1), blob)
        snapshot = self.path("hub/models--org--name/snapshots/r1")
        os.makedirs(snapshot)
        os.symlink("../../blobs/abc", os.path.join(snapshot, "model.safetensors"))
        self.part("hub/models--org--name", "", model(1))
        os.makedirs(self.path("hub/models--org--name/snapshots/r2"))
        self.refused("hub/models--org--name", "several revisions; name one of them: snapshots/r1")

    def test_peft(self):
        self.put("lora/adapter_model.safetensors", model(1))
        self.put("lora/adapter_config.json", {"peft_type": "LORA"})
        self.part("lora", "", model(1))

    def test_lightning_folder_of_deepspeed(self):
        self.put("last.ckpt/latest", "checkpoint")
        self.put("last.ckpt/checkpoint/mp_rank_00_model_states.pt",
                 {"module": model(1), "epoch": 3, "loops": {}})
        self.part("last.ckpt", "", model(1))

    def test_trainer_with_deepspeed(self):
        self.put("ck/model.safetensors", model(1))
        self.put("ck/latest", "global_step7")
        self.put("ck/global_step7/mp_rank_00_model_states.pt", {"module": model(2)})
        self.part("ck", "", model(1))
        self.assertIn("by name: global_step7", self.tenon("ls", self.path("ck")))
        self.part("ck/global_step7", "", model(2))


if __name__ == "__main__":
    unittest.main()
