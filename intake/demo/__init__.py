"""The stand-ins for what can't run here, and the story of the demo; the tests use them too."""
