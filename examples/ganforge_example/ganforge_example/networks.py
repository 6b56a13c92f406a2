"""A generator and a discriminator of 8x8 images, as data."""

from ganforge.networks import NetworkDefinition

NETWORKS = [
    NetworkDefinition.model_validate(
        {
            "name": "BarsGenerator",
            "description": "multi-layer perceptron: 4 latents to images of 8x8",
            "input": [4],
            "modules": [
                {"type": "Linear", "out": 32},
                {"type": "ReLU"},
                {"type": "Linear", "out": 64},
                {"type": "Tanh"},
                {"type": "Unflatten", "shape": [1, 8, 8]},
            ],
        }
    ),
    NetworkDefinition.model_validate(
        {
            "name": "BarsDiscriminator",
            "description": "multi-layer perceptron: tells real images of 8x8 from fake ones",
            "input": [1, 8, 8],
            "modules": [
                {"type": "Flatten"},
                {"type": "Linear", "out": 32},
                {"type": "LeakyReLU"},
                {"type": "Linear", "out": 1},
                {"type": "Sigmoid"},
            ],
        }
    ),
]
