"""Modules under the names that people write: `from keywright.compat.fireworks_ai import FireworksAI`."""
