"""The commands of one capability each; ``sotay.cli`` puts them together."""
