"""The pull loop, and all that it needs: claim a trial, have it trained, record it."""
