"""What in a data set a trainer would trip over: each finding with its place and a way out, and never only the first."""
