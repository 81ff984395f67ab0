"""What `import noda_synth` gives to other people's programs: a pool to look into, an occluder to call, the commands."""
