#!/usr/bin/env bash
# Run the search of own_task.py on a Ray cluster, as a job that goes on when this terminal is closed:
#
#     cluster_job.sh http://head.example.com:8265 /shared/runs
#
# The first argument is the cluster's dashboard; the second is a folder or URI that all nodes reach. mpnas-ray is installed
# on the nodes; the folder of this script is uploaded, so that they find own_task.py. The same command continues the run.
set -euo pipefail
cd "$(dirname "$0")"
mpnas submit --address "$1" -- search --task own_task.py:TASK --space nasbenchasr --num-samples 4 --storage "$2" --name waves
