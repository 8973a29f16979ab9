from core.config import Config
class AnalyticsConfig(Config):
    pass
