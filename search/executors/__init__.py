"""What runs the trials: this process, or Ray on this machine or on a cluster."""
