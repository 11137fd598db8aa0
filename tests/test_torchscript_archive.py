"""Tensors out of TorchScript archives, without running what else is in them."""

import pickle
import zipfile

import pytest
import torch
from torch import nn

from model.torchscript_archive import is_torchscript, read_torchscript_tensors


class Network(nn.Module):
    """Nested modules, shared names, half precision, a transposed parameter and plain attributes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.rest = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        self.narrow = nn.Parameter(torch.randn(3, 2).half())
        self.turned = nn.Parameter(torch.randn(6, 4).t())
        self.register_buffer("input_resolution", torch.tensor(224))
        self.sizes, self.rate, self.word = [1, 2], 0.5, "x"

    def forward(self, x):
        return self.rest(self.first(x))


@pytest.fixture
def network():
    return Network()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["script", "trace"])
def test_the_tensors_are_those_of_the_module(tmp_path, network, kind):
    scripted = kind == "script"
    archived = torch.jit.script(network) if scripted else torch.jit.trace(network, torch.randn(2, 3))
    torch.jit.save(archived, tmp_path / "net.pt")
    assert is_torchscript(tmp_path / "net.pt")
    tensors, expected = read_torchscript_tensors(tmp_path / "net.pt"), network.state_dict()
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)


def test_other_files_are_not_taken_for_archives(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("text")
    assert not is_torchscript(tmp_path / "state.pt")
    assert not is_torchscript(tmp_path / "text.pt")


class Malicious:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (print, ("code from the file ran",))


def test_code_is_refused(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("bad/constants.pkl", b"")
        archive.writestr("bad/data.pkl", pickle.dumps(Malicious(), protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="print"):
        read_torchscript_tensors(tmp_path / "bad.pt")
    assert "code from the file ran" not in capsys.readouterr().out
