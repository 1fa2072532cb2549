"""Folders as DeepSpeed lays them out; tenon gives the full-precision weights that its own tool gives."""
import os
import random
import shutil
import unittest
from collections import OrderedDict

import torch

import deepspeed_folders as ds
from oracle import Case


def random_tensor(generator):
    rank = generator.choice((0, 1, 1, 2, 2, 3))
    return torch.randn([generator.choice((1, 2, 3, 5, 8, 13)) for _ in range(rank)])


def random_model(seed):
    """Groups, buffers, frozen and shared parameters."""
    generator = random.Random(seed)
    torch.manual_seed(seed)
    groups = [OrderedDict((f"g{i}.p{j}", random_tensor(generator))
                          for j in range(generator.randint(1, 6)))
              for i in range(generator.randint(1, 3))]
    kinds = (torch.randn(3).half(), torch.randn(2, 2).bfloat16(), torch.randn(2).double(),
             torch.tensor([1, 2, 3]), torch.tensor(True), torch.tensor(7))
    buffers = OrderedDict((f"b{i}", generator.choice(kinds)) for i in range(generator.randint(0, 3)))
    frozen = OrderedDict((f"f{i}", random_tensor(generator).bfloat16())
                         for i in range(generator.randint(0, 3)))
    shared = {"alias.weight": next(iter(groups[0]))} if generator.random() < 0.5 else {}
    return groups, buffers, frozen, shared


class DeepSpeed(Case):
    def merged(self, folder):
        out = self.path("out.pth")
        self.tenon("align", folder, "-o", out, "--force")
        return torch.load(out)

    def test_random_folders(self):
        for seed in range(24):
            generator = random.Random(seed + 100)
            groups, buffers, frozen, shared = random_model(seed)
            world, folder = generator.choice((1, 2, 3, 4, 7, 11)), self.path("run")
            shutil.rmtree(folder, ignore_errors=True)
            if seed % 2:
                ds.zero3(folder, world, groups, buffers, frozen, shared, generator.randint(1, 3))
            else:
                paddings = [[generator.randint(0, 3) for _ in group] for group in groups]
                ds.zero2(folder, world, groups, buffers, frozen, shared,
                         generator.choice(("", "bf16_", "fp16_")), stage=1 + seed % 4 // 2,
                         paddings=paddings if seed % 3 == 0 else None)
            want = ds.merge(folder)
            for group in groups:
                for name, tensor in group.items():
                    self.assertTrue(torch.equal(want[name], tensor))
            with self.subTest(seed=seed, world=world):
                self.equal(self.merged(folder), want)

    def test_shared_parameters_share_a_storage(self):
        groups, _, _, _ = random_model(3)
        ds.zero2(self.path("run"), 2, groups, shared={"tied": "g0.p0"})
        storages = {one["key"]: one["storage"] for one in self.listing(self.path("run"))["tensors"]}
        self.assertEqual(storages["tied"], storages["g0.p0"])
        self.assertEqual(len(set(storages.values())), len(storages) - 1)

    def test_saved_16_bit_weights_are_a_part(self):
        groups, buffers, frozen, shared = random_model(5)
        ds.zero2(self.path("run"), 2, groups, buffers, frozen, shared)
        module = torch.load(os.path.join(self.path("run"), "global_step10",
                                         "mp_rank_00_model_states.pt"))["module"]
        self.same(self.listing(self.path("run") + "::module"), module)

    def test_model_parallel_ranks_are_parts(self):
        for rank in ("00", "01"):
            groups, buffers, _, _ = random_model(int(rank) + 7)
            ds.zero2(self.path("run"), 2, groups, buffers, rank=rank)
            alone = self.path("alone" + rank)
            ds.zero2(alone, 2, groups, buffers)
            self.same(self.listing(f"{self.path('run')}::mp_rank_{rank}") if rank == "01" else
                      self.listing(alone), ds.merge(alone))
        self.assertIn("2 model-parallel ranks", self.tenon("ls", self.path("run")))

    def test_missing_ranks_are_named(self):
        groups, _, _, _ = random_model(1)
        ds.zero3(self.path("run"), 3, groups)
        os.remove(self.path("run/global_step10/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt"))
        with self.assertRaisesRegex(AssertionError, "missing: bf16_zero_pp_rank_1_mp_rank_00_optim"):
            self.tenon("ls", self.path("run"))

    def test_without_zero(self):
        inner = ds.start(self.path("run"), "step1")
        module = OrderedDict(w=torch.randn(3, 2), b=torch.randn(3))
        torch.save({"module": module, "optimizer": None, "global_steps": 1},
                   os.path.join(inner, "mp_rank_00_model_states.pt"))
        self.same(self.listing(self.path("run")), module)

    def test_pipeline_layers_are_joined(self):
        inner, want = ds.start(self.path("run"), "step1"), OrderedDict()
        for layer in (0, 3, 11):
            state = OrderedDict(weight=torch.randn(2, 3), bias=torch.randn(2))
            torch.save(state, os.path.join(inner, f"layer_{layer:02d}-model_00-model_states.pt"))
            want.update((f"{layer}.{name}", tensor) for name, tensor in state.items())
        torch.save({"module": None}, os.path.join(inner, "mp_rank_00_model_states.pt"))
        torch.save({"module": None}, os.path.join(inner, "mp_rank_01_model_states.pt"))
        self.same(self.listing(self.path("run")), want)

    def test_experts_are_joined(self):
        inner, want = ds.start(self.path("run"), "step1"), OrderedDict(gate=torch.randn(4, 2))
        torch.save({"module": OrderedDict(want)}, os.path.join(inner, "mp_rank_00_model_states.pt"))
        for expert in range(2):
            name = f"moe.deepspeed_moe.experts.deepspeed_experts.{expert}.weight"
            want[name] = torch.randn(2, 2)
            torch.save({name: want[name]},
                       os.path.join(inner, f"layer_0_expert_{expert}_mp_rank_00_model_states.pt"))
        self.same(self.listing(self.path("run")), want)


if __name__ == "__main__":
    unittest.main()
