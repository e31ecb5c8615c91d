# ml-index stat describes a plan: what stands in each line (the numbers depend on the machine).
# needs: ml-index retriever
ml-index stat "$READY/plan.mls" | sed -n '/^$/q; s/ \{2,\}.*//p'
