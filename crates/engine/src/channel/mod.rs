//! The host's end of the channel to the agent.
