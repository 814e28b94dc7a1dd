"""The ResNets of He, Zhang, Ren and Sun (2015) as torchvision builds them: the same names, numbers and random weights.

torchvision itself is left alone, as importing it brings the compilers of torch along (1.7 s on one core before the first
risk) for five networks that fit on a page. A test compares the two, weight for weight and number for number.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hyrisk_desktop.risk.depths import BLOCKS, stage_width

_CLASSES_OF_IMAGENET = 1000


def _convolution(before: int, after: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)


class _Block(nn.Module):
    """Convolutions whose answer is added to what came in; `downsample` makes that fit where sizes change."""

    expansion = 1

    def __init__(self, before: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.make(before, width, stride)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def make(self, before: int, width: int, stride: int) -> None:
        """Two convolutions of 3 x 3, for the depths 18 and 34."""
        self.conv1, self.bn1 = _convolution(before, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.BatchNorm2d(width)

    def inner(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, D, h', w']."""
        past = x if self.downsample is None else self.downsample(x)
        out = self.inner(x)
        out += past
        return cast(Tensor, self.relu(out))


class _Bottleneck(_Block):
    """Through a narrow place of 3 x 3, which also takes the stride, for the depths 50 and more."""

    expansion = 4

    def make(self, before: int, width: int, stride: int) -> None:
        self.conv1, self.bn1 = _convolution(before, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, 4 * width, 1), nn.BatchNorm2d(4 * width)

    def inner(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return cast(Tensor, self.bn3(self.conv3(x)))


class ResNet(nn.Module):
    """A ResNet up to its average: the 512 or 2048 features of an image.

    Args:
        depth: a key of `BLOCKS`.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        block = _Block if depth < 50 else _Bottleneck
        before = stage_width(0)
        self.conv1 = nn.Conv2d(3, before, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for stage, count in enumerate(BLOCKS[depth]):
            width, layers = stage_width(stage), []
            for number in range(count):
                stride = 2 if stage and not number else 1
                after = width * block.expansion
                fits = stride == 1 and before == after
                downsample = (
                    None if fits else nn.Sequential(_convolution(before, after, 1, stride), nn.BatchNorm2d(after))
                )
                layers.append(block(before, width, stride, downsample))
                before = after
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        # A seed means the weights that it has always meant: the classes of ImageNet draw theirs in between, and go.
        nn.Linear(before, _CLASSES_OF_IMAGENET)
        for module in self.modules():
            # Without memory there is nothing to draw, and torch would bring its compilers for it: 3 s and 100 MB.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] normalised images -> [N, F, h, w]: the last stage, before it is averaged."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return cast(Tensor, x)

    def averaged(self, maps: Tensor) -> Tensor:
        """[N, F, h, w] maps -> [N, F] features."""
        return torch.flatten(self.avgpool(maps), 1)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] normalised images -> [N, F] features."""
        return self.averaged(self.maps(images))
