"""Stories of topic models, each a script that runs on this machine."""
