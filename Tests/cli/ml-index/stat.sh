# ml-index stat describes a plan.
# needs: ml-index retriever
ml-index stat "$READY/plan.mls"
