/* Errors of loading that are about no keys: what they mean, and which command looks into it. The
 * needles are the messages' own words; of two rows that fit, the one that stands first counts. */
#include "loader/format/failed_load.h"

#include <string.h>

#include "loader/core/text.h"

enum { SUBJECT_MAX = 200 };

/* The row's subject is what stands behind its needle, where the needle ends with a quote or a
 * blank. Order: what tells more stands first. */
static const Trouble troubles[] = {
    {"lfs-pointer", "git-lfs.github.com",
     "The file is a Git LFS pointer: a few lines of text that stand for the real file, which was "
     "not downloaded.",
     "Fetch it: git lfs pull, or download it from the model's page.", "tenon check FILE"},
    {"lfs-pointer", "invalid load key, 'v'",
     "The file begins with 'v': nearly always \"version https://git-lfs…\", a Git LFS pointer "
     "instead of the file.",
     "Fetch it: git lfs pull, or download it from the model's page.", "tenon check FILE"},
    {"html", "invalid load key, '<'",
     "The file begins with '<': a web page (a log-in or an error page) was saved instead of the "
     "file.",
     "Download it again, from the link of the file itself.", "tenon check FILE"},
    {"no-pickle", "invalid load key, '",
     "The file is no pickle and no PyTorch file: its first byte is no opcode. It is of another "
     "format, or damaged.",
     "See what it is; tenon tells formats by content.", "tenon check FILE"},
    {"zip-truncated", "PytorchStreamReader failed finding central directory",
     "The file is the beginning of a PyTorch zip: its end, where the directory is, is missing. "
     "A download or a save was cut short (a full disk, a killed job).",
     "Compare its size with the original's and fetch or save it again.", "tenon check FILE"},
    {"zip-corrupt", "PytorchStreamReader failed reading zip archive",
     "The file is no whole PyTorch zip: it is damaged, or of another format.",
     "See where it breaks, or what it is instead.", "tenon check FILE"},
    {"zip-member", "PytorchStreamReader failed locating file",
     "The zip lacks a member that this loader wants: torch.jit.load was given an ordinary "
     "checkpoint, or the archive was made by other hands.",
     "Load it with torch.load, or see what is in it.", "tenon ls --all FILE"},
    {"zip-member", "PytorchStreamReader failed reading file",
     "A member of the zip cannot be read: the file is damaged in the middle.",
     "See which tensors are affected; the others can be had.", "tenon check FILE"},
    {"repacked", "file in archive is not in a subdirectory",
     "The zip was unpacked and packed again without its top folder.",
     "tenon reads it as it is; write it anew.", "tenon align FILE -o fixed.pth"},
    {"not-torch", "Invalid magic number; corrupt file?",
     "torch.load took it for its old format and did not find that format's number: the file is "
     "another pickle, of another format, or damaged.",
     "See what it is; tenon reads pickles and other formats too.", "tenon check FILE"},
    {"truncated", "unexpected EOF, expected ",
     "The file ends in the middle of a tensor: a download or a save was cut short.",
     "See how much is there, and fetch or save it again.", "tenon check FILE"},
    {"truncated", "pickle data was truncated",
     "The file ends in the middle: a download or a save was cut short.",
     "Fetch or save it again.", "tenon check FILE"},
    {"truncated", "EOFError: Ran out of input",
     "The file is empty, or ends before its first object.",
     "It was never written, or is being written still: look at its size.", "tenon check FILE"},
    {"storage", "storage has wrong byte size",
     "The storages hold another number of bytes than the pickle says: the file is damaged or was "
     "written by another version.",
     "See which tensors are affected.", "tenon check FILE"},
    {"write-failed", "unexpected pos ",
     "Saving failed while the file was written, most often because the disk was full: the file is "
     "not whole.",
     "Make room and save again.", "tenon check FILE"},
    {"global", "Unsupported global: GLOBAL ",
     "torch.load(weights_only=True), the default since PyTorch 2.6, met a class or function that "
     "it does not allow. That is no damage: the file holds more than tensors.",
     "tenon executes nothing and reads the tensors all the same: list what it names, or write the "
     "weights alone, which every torch.load takes.", "tenon ls --globals FILE"},
    {"global", "Unsupported class ",
     "torch.load(weights_only=True), the default since PyTorch 2.6, met a class that it does not "
     "allow. That is no damage: the file holds more than tensors.",
     "tenon executes nothing and reads the tensors all the same: list what it names, or write the "
     "weights alone, which every torch.load takes.", "tenon ls --globals FILE"},
    {"weights-only", "Weights only load failed",
     "torch.load(weights_only=True), the default since PyTorch 2.6, does not take what the pickle "
     "does. Setting weights_only=False would execute whatever it names.",
     "tenon executes nothing: see what it names, or write the weights alone.",
     "tenon ls --globals FILE"},
    {"weights-only", "Cannot use ``weights_only=True`` with",
     "The file is of a kind (TorchScript, an old tar) that torch.load reads only by executing it.",
     "tenon reads its tensors without: write them alone.", "tenon align FILE -o weights.pth"},
    {"module", "No module named '",
     "The file holds pickled objects of a module that is not installed here: whole models rather "
     "than their state dicts.",
     "tenon needs no module: it takes the parameters out of the pickled objects.",
     "tenon align FILE -o weights.pth"},
    {"attribute", "Can't get attribute '",
     "The file holds pickled objects of a class that the program does not have (any more): whole "
     "models rather than their state dicts.",
     "tenon needs no class: it takes the parameters out of the pickled objects.",
     "tenon align FILE -o weights.pth"},
    {"cuda", "Attempting to deserialize object on a CUDA device",
     "The tensors were saved on a GPU and there is none here. Nothing is wrong with the file.",
     "torch.load(FILE, map_location=\"cpu\"); tenon knows no devices, and what it writes has "
     "none.", "tenon align FILE -o cpu.pth"},
    {"old-torch", "is a zip archive (did you mean to use torch.jit.load()?)",
     "This PyTorch is older than 1.6 and cannot read the zip format of newer ones.",
     "Write the weights as safetensors or npz, or use a newer PyTorch.",
     "tenon align FILE -o weights.safetensors"},
    {"header", "HeaderTooLarge",
     "The first 8 bytes, which safetensors takes for the length of its header, give a number "
     "beyond 100 MB: the file is no safetensors file (often a PyTorch file renamed, or a Git LFS "
     "pointer).",
     "See what it is; tenon goes by content, not by name.", "tenon check FILE"},
    {"header", "MetadataIncompleteBuffer",
     "The header of the safetensors file is whole but its data is not as long as the header says: "
     "a download or a save was cut short.",
     "Compare its size with the original's and fetch it again.", "tenon check FILE"},
    {"header", "InvalidHeaderDeserialization",
     "The header of the safetensors file is no valid JSON: the file is damaged or of another "
     "format.",
     "See where it breaks.", "tenon check FILE"},
    {"header", "InvalidHeaderLength",
     "The safetensors file is shorter than its header says: a download or a save was cut short.",
     "Fetch it again.", "tenon check FILE"},
    {"header", "HeaderTooSmall",
     "The file has fewer than 8 bytes: it is no safetensors file, or was never written.",
     "Fetch it again.", "tenon check FILE"},
    {"metadata", "does not contain the valid metadata",
     "The safetensors header lacks {\"format\": \"pt\"}, which transformers asks for; the tensors "
     "are fine.",
     "Write it anew: tenon always says the format.", "tenon align FILE -o fixed.safetensors"},
    {"shared", "Some tensors share memory",
     "Two names are one tensor (tied weights), which safetensors cannot hold: save_file refuses.",
     "tenon writes copies and says so; or drop one name and tie it again where it is loaded: "
     "tie(\"A\", \"B\").", "tenon align FILE -o tied.safetensors"},
    {"no-data", "Cannot copy out of meta tensor",
     "A tensor of the checkpoint has no values: the model was saved while its weights were on the "
     "meta device (offloaded, or never loaded).",
     "See which; save the model again with its weights in memory.", "tenon check FILE"},
    {"quantized", "Copying from quantized Tensor to non-quantized Tensor",
     "The checkpoint holds integers with a scale, as PyTorch's quantization makes them, and the "
     "model wants plain numbers.",
     "With the model's own state dict as the target tenon writes the numbers that they stand for.",
     "tenon align FILE NET.pth -o plain.pth"},
    {"sparse", "copy_() between dense and sparse Tensors is not implemented",
     "One of checkpoint and model is sparse, the other is not.",
     "tenon writes sparse tensors with all their values.", "tenon align FILE -o dense.pth"},
    {"sparse", "copy_sparse_compressed_ expected sparse compressed tensor layout",
     "A tensor of the checkpoint is sparse, that of the model is not.",
     "tenon writes sparse tensors with all their values.", "tenon align FILE -o dense.pth"},
    {"no-tensor", "Tensor-like object from checkpoint but received <class '",
     "An entry of the checkpoint has a parameter's name and is no tensor: the dict is a level "
     "above or below the weights, or was changed by hand.",
     "See what it holds; tenon finds the weights by itself.", "tenon ls --all FILE"},
    {"optimizer", "doesn't match the size of optimizer's group",
     "The optimizer's state has another number of parameters than the optimizer: layers were "
     "added, removed or frozen since.",
     "Let the state follow the weights: optimizer{from=\"optimizer\", new=\"fresh\"}, written "
     "with --whole; or drop it.", "tenon ls --all FILE"},
    {"optimizer", "different number of parameter groups",
     "The optimizer's state has another number of parameter groups than the optimizer.",
     "Let the state follow the weights: optimizer{from=\"optimizer\", groups=\"one\"}, written "
     "with --whole; or drop it.", "tenon ls --all FILE"},
    {"not-a-dict", "Expected state_dict to be dict-like",
     "load_state_dict was given something that is no dict: most often the model was saved whole.",
     "tenon takes the parameters out of it and writes a state dict.",
     "tenon align FILE -o weights.pth"},
    {"not-a-model", "'OrderedDict' object has no attribute '",
     "The file holds a state dict, not a model: build the model and call load_state_dict on it.",
     "See what it holds.", "tenon ls FILE"},
    {"not-a-model", "'collections.OrderedDict' object has no attribute '",
     "The file holds a state dict, not a model: build the model and call load_state_dict on it.",
     "See what it holds.", "tenon ls FILE"},
    {"layers", "Layer count mismatch when loading weights",
     "Keras pairs layers by order, and the file has another number of them than the model.",
     "Names decide for tenon, not numbers: align the file with the model's weights.",
     "tenon ls FILE"},
    {"layers", "You are trying to load a weight file containing",
     "Keras pairs layers by order, and the file has another number of them than the model.",
     "Names decide for tenon, not numbers: align the file with the model's weights.",
     "tenon ls FILE"},
    {"hdf5", "file signature not found",
     "The file is no HDF5 file, whatever its name: another format, a web page or a Git LFS "
     "pointer.",
     "See what it is.", "tenon check FILE"},
    {"hdf5", "truncated file: eof = ",
     "The HDF5 file is shorter than it says: a download or a save was cut short.",
     "Fetch it again.", "tenon check FILE"},
    {"gguf", "invalid magic characters",
     "The file is no GGUF file: of another format, or a Git LFS pointer.",
     "See what it is.", "tenon check FILE"},
    {"gguf", "wrong number of tensors; expected ",
     "The GGUF file has another number of tensors than llama.cpp knows of this architecture: "
     "converted by another version, or tied weights left out.",
     "See which names are there.", "tenon ls FILE"},
    {"key", "KeyError: '",
     "The program looked for this key in the checkpoint, and it is not there: the dict that holds "
     "the weights has another name, or there is none around them.",
     "See what is in the file; tenon finds the weights by itself.", "tenon ls --all FILE"},
};

/* Whether the needle ends where its subject begins. */
static bool has_subject(const char *needle)
{
    char last = needle[strlen(needle) - 1];
    return last == '\'' || last == ' ';
}

/* The word behind the needle: up to its quote, else to a blank. */
static const char *subject_of(FailedLoad *load, const char *p, const char *end, bool quoted)
{
    size_t n = 0, left = (size_t)(end - p);
    while (n < left && n < SUBJECT_MAX && !strchr(quoted ? "'\n" : " \t\n,;", p[n])) n++;
    while (n && p[n - 1] == '.') n--;
    return n ? name_hold(load->arena, p, n) : NULL;
}

/* KeyError holds PyTorch's old messages about keys, too, which are read as lists. */
static bool is_key_list(const char *subject)
{
    return subject && (strstr(subject, "state_dict") != subject) && strchr(subject, ' ');
}

static bool is_told(const FailedLoad *load, const char *id)
{
    for (size_t i = 0; i < load->trouble_count; i++)
        if (strcmp(load->troubles[i].trouble->id, id) == 0) return true;
    return false;
}

/* "Weights only load failed" stands before every refusal of it, and tells least. */
static bool is_general(const FailedLoad *load, const Trouble *trouble)
{
    return strcmp(trouble->id, "weights-only") == 0 && is_told(load, "global");
}

void failed_load_find_troubles(FailedLoad *load, const char *text, size_t n)
{
    for (size_t i = 0; i < countof(troubles) && load->trouble_count < TROUBLES_MAX; i++) {
        const Trouble *trouble = &troubles[i];
        LoadScan scan = {load, text, text + n};
        if (is_told(load, trouble->id) || is_general(load, trouble) ||
            !failed_load_seek(&scan, trouble->needle))
            continue;
        bool quoted = trouble->needle[strlen(trouble->needle) - 1] == '\'';
        const char *subject = has_subject(trouble->needle)
                                  ? subject_of(load, scan.p, scan.end, quoted) : NULL;
        if (strcmp(trouble->id, "key") == 0 && is_key_list(subject)) continue;
        load->troubles[load->trouble_count++] = (FoundTrouble){trouble, subject};
    }
}
